#define _XOPEN_SOURCE 700
#include "CTerm.h"
#include <locale.h>
#include <wchar.h>

int narada_scalar_width(uint32_t scalar) {
    static int ready = 0;
    if (!ready) {
        setlocale(LC_CTYPE, "C.UTF-8");
        ready = 1;
    }
    return wcwidth((wchar_t)scalar);
}
