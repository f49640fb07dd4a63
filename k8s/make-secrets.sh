#!/bin/sh
# Makes the secrets of one overlay; see usage below.
set -eu
umask 077

usage() {
    cat <<'TEXT'
Usage: k8s/make-secrets.sh [dev|prod]

Makes the secrets of an overlay (dev, unless said otherwise) into the folder
k8s/overlays/OVERLAY/made-by-make-secrets.sh/, which git ignores: files that only you may read.
Run it once before the first `kubectl apply -k`, and keep a copy of what it made for prod in a safe
place: the passwords stand nowhere else. It never overwrites; k8s/readme.md says how to change one.

  keyfile                    how MongoDB's members know each other
  mongodb-admin-password     MongoDB's user admin, for operators
  app.env                    SECRET_KEY, and how the application logs in at MongoDB and Redis
  redis-password             Redis, for probes
  redis-password.conf        the same, as Redis reads it
  mail.env                   EMAIL_USER and EMAIL_PASSWORD, prod only: fill them in, if your mail
                             server wants a login
TEXT
}

# Letters and digits alone, which need no quoting in an address or a file. 1: how many bytes.
random() {
    od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

overlay=dev
case "${1-}" in
-h | --help)
    usage
    exit 0
    ;;
dev | prod) overlay=$1 ;;
'') ;;
*)
    usage >&2
    exit 2
    ;;
esac
if [ "$#" -gt 1 ]; then
    usage >&2
    exit 2
fi

folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/overlays/$overlay/made-by-make-secrets.sh
if [ -e "$folder" ]; then
    echo "$folder is there already and stays as it is: see \"Rotate secrets\" in k8s/readme.md." >&2
    exit 1
fi

# Made beside its place and then moved there, so that half of it is never taken for all.
new=$folder.new
rm -rf "$new"
mkdir "$new"

# 51 characters at most: kustomize breaks what is longer over two lines, and every apply would then
# say that a secret was configured.
redis_password=$(random 18)
random 24 >"$new/keyfile"
random 24 >"$new/mongodb-admin-password"
cat >"$new/app.env" <<TEXT
SECRET_KEY=$(random 25)
SECRET_KEY_FALLBACKS=
MONGODB_USER=bookingsite
MONGODB_PASSWORD=$(random 24)
REDIS_PASSWORD=$redis_password
TEXT
printf '%s' "$redis_password" >"$new/redis-password"
printf 'requirepass %s\n' "$redis_password" >"$new/redis-password.conf"
if [ "$overlay" = prod ]; then
    printf 'EMAIL_USER=\nEMAIL_PASSWORD=\n' >"$new/mail.env"
fi

mv "$new" "$folder"
echo "Made $folder: next, kubectl apply -k (see k8s/readme.md)."
