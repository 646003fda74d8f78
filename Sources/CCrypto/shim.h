// The incremental SHA-256 calls cost a third of EVP's on inputs of a few hundred bytes. MD5 is what
// Last.fm signs with.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>
