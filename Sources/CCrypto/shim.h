// The incremental SHA-256 calls cost a third of EVP's on inputs of a few hundred bytes.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
