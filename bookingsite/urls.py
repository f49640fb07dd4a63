"""The site's addresses."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from bookingsite import health

urlpatterns = [
    path("api/health", health.Live.as_view()),
    path("api/health-redis", health.RedisHealth.as_view()),
    path("api/health-mongo", health.MongoHealth.as_view()),
    path("api/ready", health.Ready.as_view()),
    path("api/schema", SpectacularAPIView.as_view(throttle_classes=[]), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(throttle_classes=[], url_name="schema")),
    path("api/", include("bookings.api.urls")),
    path("admin/", admin.site.urls),
    path("", include("bookings.web.urls")),
]

handler400 = "bookingsite.problems.bad_request"
handler403 = "bookingsite.problems.permission_denied"
handler404 = "bookingsite.problems.page_not_found"
handler500 = "bookingsite.problems.server_error"
