"""The site's URLs."""

from csp.decorators import csp_update
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from bookings.web import limits, visitors
from bookingsite import health, metrics, openapi

# Our copy keeps its script in a file. Swagger's style sheet draws its arrows from data: URLs.
docs = csp_update({"img-src": ["data:"]})(SpectacularSwaggerSplitView.as_view(url_name="schema"))

urlpatterns = [
    # First, since nearly all requests are for it, and Django tries one pattern after the other.
    path("api/", include("bookings.api.urls")),
    path("api/health", health.Live.as_view()),
    path("api/health-redis", health.RedisHealth.as_view()),
    path("api/health-mongo", health.MongoHealth.as_view()),
    path("api/ready", health.Ready.as_view()),
    path("metrics", metrics.metrics),
    path("api/schema", openapi.Description.as_view(), name="schema"),
    path("api/docs", docs, name="docs"),
    # The `type` of every problem points here.
    path("api/docs/", RedirectView.as_view(pattern_name="docs")),
    path("admin/login/", limits.limit_logins(admin.site.login)),
    path("admin/logout/", visitors.leave_with_guest(admin.site.admin_view(admin.site.logout))),
    path("admin/second-factor/", include("bookings.admin.second_factor")),
    path("admin/desk/", include("bookings.admin.desk.urls")),
    path("admin/setup/", include("bookings.admin.setup.urls")),
    path("admin/team/", include("bookings.admin.team.urls")),
    path("admin/", admin.site.urls),
    path("", include("bookings.web.urls")),
]

handler400 = "bookingsite.problems.bad_request"
handler403 = "bookingsite.problems.permission_denied"
handler404 = "bookingsite.problems.page_not_found"
handler500 = "bookingsite.problems.server_error"
