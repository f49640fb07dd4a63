"""The parts of a booking's page: what can be done, what happened, the guest, the remarks."""
