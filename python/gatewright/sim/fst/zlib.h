// SPDX-License-Identifier: Apache-2.0
// Stands in for zlib where its header is missing: a legal zlib stream (RFC 1950) of stored blocks (RFC 1951, 3.2.4).
// Verilator's FST writer keeps a compressed block only when it is smaller, so that the waves are just larger.
#ifndef GATEWRIGHT_ZLIB_H
#define GATEWRIGHT_ZLIB_H

#include <cstring>

typedef unsigned char Bytef;
typedef unsigned long uLong;
typedef unsigned long uLongf;
enum { Z_OK = 0, Z_BUF_ERROR = -5 };

static inline uLong compressBound(uLong size) { return size + 5 * (size / 65535 + 1) + 6; }

static inline int compress2(Bytef *target, uLongf *capacity, const Bytef *source, uLong size, int) {
    if (*capacity < compressBound(size)) return Z_BUF_ERROR;
    Bytef *out = target;
    *out++ = 0x78;
    *out++ = 0x01;
    unsigned a = 1, b = 0;
    uLong done = 0;
    do {
        const unsigned part = static_cast<unsigned>(size - done < 65535 ? size - done : 65535);
        const unsigned header[5] = {done + part == size, part & 255, part >> 8, ~part & 255, (~part >> 8) & 255};
        for (unsigned field : header) *out++ = static_cast<Bytef>(field);
        for (unsigned i = 0; i < part; i++) {
            *out++ = source[done + i];
            a = (a + source[done + i]) % 65521;
            b = (b + a) % 65521;
        }
        done += part;
    } while (done < size);
    const unsigned check[4] = {b >> 8, b & 255, a >> 8, a & 255};
    for (unsigned field : check) *out++ = static_cast<Bytef>(field);
    *capacity = static_cast<uLongf>(out - target);
    return Z_OK;
}

#endif
