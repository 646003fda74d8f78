#ifndef CTERM_H
#define CTERM_H
#include <stdint.h>

/// The columns a terminal gives to one Unicode scalar; -1 where it is not printable.
int narada_scalar_width(uint32_t scalar);
#endif
