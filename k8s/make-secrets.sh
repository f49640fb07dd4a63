#!/bin/sh
# Makes the secrets of one overlay; see usage below.
set -eu
umask 077

usage() {
    cat <<'TEXT'
Usage: k8s/make-secrets.sh [dev|prod]

Makes the secrets of an overlay (dev by default) in the folder
k8s/overlays/OVERLAY/made-by-make-secrets.sh/, which git ignores. Only you may read the files. Run it
once before the first `kubectl apply -k`. Keep a copy of prod's files in a safe place, since the
passwords are stored nowhere else. It overwrites nothing; k8s/readme.md says how to change a secret.

  keyfile                    the shared key by which MongoDB's members recognise each other
  mongodb-admin-password     the password of MongoDB's user admin, for operators
  app.env                    SECRET_KEY, and the application's logins at MongoDB and Redis
  redis-password             Redis's password, for probes
  redis-password.conf        the same, in the form that Redis reads
  mail.env                   EMAIL_USER and EMAIL_PASSWORD, prod only: fill them in if your mail
                             server needs a login
TEXT
}

# Prints letters and digits only, which need no quoting in a URL or a file. $1: how many bytes.
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
    echo "$folder already exists and is left as it is: see \"Rotate secrets\" in k8s/readme.md." >&2
    exit 1
fi

# Made under another name and then moved, so that an unfinished folder is never used.
new=$folder.new
rm -rf "$new"
mkdir "$new"

# 51 characters at most: kustomize wraps longer values over two lines, and every apply would then
# report a configured secret.
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
