#!/bin/sh
# Makes the certificates that test_tls and test_http2 use, in the folder given;
# tests/tlskit.h says which.
set -eu
cd "$1"

new_key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'

# authority NAME
authority ()
{
  # shellcheck disable=SC2086
  openssl req -x509 $new_key -days 2 -subj "/CN=$1" -keyout "$1.key" -out "$1.pem"
}

# cert NAME DAYS ALTERNATIVE-NAMES
cert ()
{
  # shellcheck disable=SC2086
  openssl req -new $new_key -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
  echo "subjectAltName = $3" > "$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days "$2" -extfile "$1.ext" \
    -out "$1.pem"
}

authority ca
authority other-ca
cert server 2 DNS:localhost,IP:127.0.0.1
cert elsewhere 2 DNS:elsewhere.test
cert expired -1 DNS:localhost,IP:127.0.0.1
cert client 2 DNS:client.test
cat client.pem client.key > client-both.pem
