#!/bin/sh
# Makes the files that compose.yaml reads; see usage below.
set -eu
umask 077

usage() {
    cat <<'TEXT'
Usage: compose/make-secrets.sh

Makes secrets and settings for compose.yaml in compose/made-by-make-secrets.sh/, a folder that git
ignores and only you may enter. Run it once before the first `docker compose up`. It overwrites
nothing.

  site.env       settings of web, worker, beat and commands; yours to edit
  admin.env      the password of MongoDB's user admin; only for the command init_replica_set
  keyfile        the shared key by which MongoDB's members recognise each other
  redis.conf     Redis's password
TEXT
}

# Prints letters and digits only, which need no quoting in a URL or a file. $1: how many bytes.
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
    echo "$folder already exists and is left as it is." >&2
    exit 1
fi

# Made under another name and then moved, so that an unfinished folder is never used.
new=$folder.new
rm -rf "$new"
mkdir "$new"

redis_password=$(random 24)
cat >"$new/site.env" <<TEXT
SECRET_KEY=$(random 32)
MONGODB_URI=mongodb://bookingsite:$(random 24)@mongodb:27017/?replicaSet=rs0&authSource=bookingsite
REDIS_URL=redis://:$redis_password@redis:6379/0

# To try it at http://localhost:8000: plain HTTP, and mails go to the worker's log. If you give
# Compose another PORT, change SITE_URL too, for the links in mails.
BOOKINGSITE_ENV=development
ALLOWED_HOSTS=localhost,127.0.0.1
SITE_URL=http://localhost:8000

# In production, behind a proxy that ends TLS: replace the three lines above with these.
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
# Containers run as other users and must read these two; the folder keeps other users here out.
chmod 644 "$new/keyfile" "$new/redis.conf"

mv "$new" "$folder"
echo "Made $folder: next, docker compose up --wait"
