"""Those who use the site during a run: partners by the API, guests by its pages, and the desk."""
