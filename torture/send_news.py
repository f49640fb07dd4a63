"""Has every webhook endpoint go on at once, as staff can. Runs as a program of the site."""

import django


def main() -> None:
    django.setup()
    from bookings.models import WebhookEndpoint
    from bookings.news.webhooks import backlog, endpoints

    for endpoint in WebhookEndpoint.objects.all():
        endpoints.try_now(endpoint.pk)
        backlog.make_due(endpoints.client_id_of(endpoint))


if __name__ == "__main__":
    main()
