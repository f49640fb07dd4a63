"""The site's brand: name, sender of mails, accent colour, logo, icon, and links of the footer.

It is one document, which pages read through what is kept (`reading.py`). Without one, pages look as
the site comes. Modules here may import the other modules of `content`, `infrastructure` and the
base.
"""
