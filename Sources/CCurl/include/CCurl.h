// libcurl, and the calls of it that take any kind of argument: Swift cannot make those.
// A part of an address is to be freed with curl_free; a text of a transfer is libcurl's own.
#ifndef NARADA_CCURL_H
#define NARADA_CCURL_H
#include <curl/curl.h>
#include <stddef.h>

typedef size_t (*narada_curl_sink)(char *bytes, size_t size, size_t count, void *context);

CURLcode narada_curl_set_text(CURL *easy, CURLoption option, const char *value);
CURLcode narada_curl_set_number(CURL *easy, CURLoption option, long value);
CURLcode narada_curl_set_pointer(CURL *easy, CURLoption option, void *value);
CURLcode narada_curl_set_sink(CURL *easy, CURLoption option, narada_curl_sink value);
char *narada_curl_url_part(CURLU *url, CURLUPart part);
long narada_curl_number(CURL *easy, CURLINFO info);
const char *narada_curl_text(CURL *easy, CURLINFO info);

#endif
