// libcurl is loaded when it is first called. It brings thirty libraries along, which cost 7 of the 17 ms that
// every program took to start, and most runs call no service. The calls that Narada makes stand here under
// their own names and go on to it; nothing else of Narada knows.
#define _GNU_SOURCE
#include "CCurl.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo

static void *library;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) { library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL); }

static void *find(const char *name) {
    pthread_once(&once, load);
    void *call = library ? dlsym(library, name) : NULL;
    if (!call) {
        fprintf(stderr, "error: libcurl.so.4 with %s is not here; install libcurl 7.85 or later.\n", name);
        _exit(69);
    }
    return call;
}

#define FORWARD(type, name, parameters, arguments)                  \
    type name parameters {                                          \
        static void *found;                                         \
        void *call = __atomic_load_n(&found, __ATOMIC_ACQUIRE);     \
        if (!call) {                                                \
            call = find(#name);                                     \
            __atomic_store_n(&found, call, __ATOMIC_RELEASE);       \
        }                                                           \
        return ((type(*) parameters)call)arguments;                 \
    }

FORWARD(CURLcode, curl_global_init, (long flags), (flags))
FORWARD(void, curl_free, (void *text), (text))
FORWARD(time_t, curl_getdate, (const char *text, const time_t *unused), (text, unused))
FORWARD(struct curl_slist *, curl_slist_append, (struct curl_slist *list, const char *text), (list, text))
FORWARD(void, curl_slist_free_all, (struct curl_slist *list), (list))
FORWARD(CURLU *, curl_url, (void), ())
FORWARD(void, curl_url_cleanup, (CURLU *url), (url))
FORWARD(CURLUcode, curl_url_set, (CURLU *url, CURLUPart part, const char *text, unsigned flags), (url, part, text, flags))
FORWARD(CURL *, curl_easy_init, (void), ())
FORWARD(void, curl_easy_cleanup, (CURL *easy), (easy))
FORWARD(const char *, curl_easy_strerror, (CURLcode code), (code))
FORWARD(CURLM *, curl_multi_init, (void), ())
FORWARD(CURLMcode, curl_multi_cleanup, (CURLM *multi), (multi))
FORWARD(CURLMcode, curl_multi_add_handle, (CURLM *multi, CURL *easy), (multi, easy))
FORWARD(CURLMcode, curl_multi_remove_handle, (CURLM *multi, CURL *easy), (multi, easy))
FORWARD(CURLMcode, curl_multi_perform, (CURLM *multi, int *running), (multi, running))
FORWARD(CURLMcode, curl_multi_wakeup, (CURLM *multi), (multi))
FORWARD(CURLMsg *, curl_multi_info_read, (CURLM *multi, int *left), (multi, left))
FORWARD(CURLMcode, curl_multi_poll,
        (CURLM *multi, struct curl_waitfd extra[], unsigned count, int timeout, int *number),
        (multi, extra, count, timeout, number))

typedef CURLcode (*setter)(CURL *, CURLoption, ...);
typedef CURLcode (*getter)(CURL *, CURLINFO, ...);
#define SET(easy, option, value) ((setter)find("curl_easy_setopt"))(easy, option, value)
#define GET(easy, info, value) ((getter)find("curl_easy_getinfo"))(easy, info, value)

char *narada_curl_url_part(CURLU *url, CURLUPart part) {
    // The first parameter is const in some versions of the header and not in others.
    CURLUcode (*get)(const CURLU *, CURLUPart, char **, unsigned) = find("curl_url_get");
    char *text = NULL;
    return get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

CURLcode narada_curl_set_text(CURL *easy, CURLoption option, const char *value) {
    return SET(easy, option, value);
}

CURLcode narada_curl_set_number(CURL *easy, CURLoption option, long value) {
    return SET(easy, option, value);
}

CURLcode narada_curl_set_pointer(CURL *easy, CURLoption option, void *value) {
    return SET(easy, option, value);
}

CURLcode narada_curl_set_sink(CURL *easy, CURLoption option, narada_curl_sink value) {
    return SET(easy, option, value);
}

long narada_curl_number(CURL *easy, CURLINFO info) {
    long value = 0;
    return GET(easy, info, &value) == CURLE_OK ? value : 0;
}

const char *narada_curl_text(CURL *easy, CURLINFO info) {
    char *value = NULL;
    return GET(easy, info, &value) == CURLE_OK ? value : NULL;
}
