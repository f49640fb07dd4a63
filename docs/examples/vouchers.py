"""POST /vouchers issues a gift voucher once for each Idempotency-Key, whatever breaks meanwhile."""

import secrets

from django.conf import settings
from django.http import JsonResponse
from django.views.decorators.http import require_POST
from pymongo import MongoClient
from redis import Redis

from idempotency import Claims, Idempotency
from idempotency.django.decorator import idempotent
from idempotency.mongodb import MongoAnswers

shop = MongoClient(settings.MONGODB_URI).get_default_database()
redis = Redis.from_url(settings.REDIS_URL, socket_timeout=0.25, socket_connect_timeout=0.25)
keyed = Idempotency(Claims(redis), MongoAnswers(shop.answers))


@require_POST
@idempotent(keyed, "issue_voucher")
def issue_voucher(request):
    amount = request.POST.get("amount", "")
    if not amount.isdecimal() or len(amount) > 8:
        return JsonResponse({"error": "Send an amount in cents."}, status=400)
    voucher = {"_id": secrets.token_hex(8), "amount": int(amount), "owner": request.user.pk}
    shop.vouchers.insert_one(voucher, session=request.keyed.transaction)
    location = {"Location": f"/vouchers/{voucher['_id']}"}
    return JsonResponse(
        {"code": voucher["_id"], "amount": int(amount)}, status=201, headers=location
    )
