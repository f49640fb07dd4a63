#!/bin/sh
# Makes what compose.yaml reads; see usage below.
set -eu
umask 077

usage() {
    cat <<'TEXT'
Usage: compose/make-secrets.sh

Makes secrets and settings for compose.yaml into compose/made-by-make-secrets.sh/, a folder that git
ignores and only you may enter. Run it once before the first `docker compose up`. It never
overwrites.

  site.env       settings of web, worker, beat and commands; yours to edit
  admin.env      MongoDB's user admin, for operators; of the command init_replica_set alone
  keyfile        how MongoDB's members know each other
  redis.conf     Redis's password
TEXT
}

# Letters and digits alone, which need no quoting in an address or a file. 1: how many bytes.
random() {
    od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

case "${1-}" in
'') ;;
-h | --help)
    usage
    exit 0
    ;;
*)
    usage >&2
    exit 2
    ;;
esac

folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/made-by-make-secrets.sh
if [ -e "$folder" ]; then
    echo "$folder is there already and stays as it is." >&2
    exit 1
fi

# Made beside its place and then moved there, so that half of it is never taken for all.
new=$folder.new
rm -rf "$new"
mkdir "$new"

redis_password=$(random 24)
cat >"$new/site.env" <<TEXT
SECRET_KEY=$(random 32)
MONGODB_URI=mongodb://bookingsite:$(random 24)@mongodb:27017/?replicaSet=rs0&authSource=bookingsite
REDIS_URL=redis://:$redis_password@redis:6379/0

# To try it at http://localhost:8000: plain HTTP, and letters go into the worker's log. If Compose is
# given another PORT, name it in SITE_URL, for the links in letters.
BOOKINGSITE_ENV=development
ALLOWED_HOSTS=localhost,127.0.0.1
SITE_URL=http://localhost:8000

# In production, behind a proxy that ends TLS: take the three lines above away and these in.
#BOOKINGSITE_ENV=production
#ALLOWED_HOSTS=bookings.example
#SITE_URL=https://bookings.example
#TRUST_FORWARDED_PROTO=yes
#TRUSTED_PROXIES=1
#EMAIL_HOST=mail.example
#EMAIL_FROM=Bookings <bookings@bookings.example>
TEXT
printf 'MONGODB_ADMIN_PASSWORD=%s\n' "$(random 24)" >"$new/admin.env"
random 300 >"$new/keyfile"
printf 'requirepass %s\n' "$redis_password" >"$new/redis.conf"
# Users of containers read these two; on this machine the folder keeps everybody else out.
chmod 644 "$new/keyfile" "$new/redis.conf"

mv "$new" "$folder"
echo "Made $folder: next, docker compose up --wait"
