"""The parts of a booking's page: what can be done now, the guest's details, remarks, mails again
and the registration card. Like the rest of `bookings.admin`, they may import all packages below the
entrances.
"""
