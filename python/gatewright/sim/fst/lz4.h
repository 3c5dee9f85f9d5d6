// SPDX-License-Identifier: Apache-2.0
// Stands in for the LZ4 library where its header is missing: writes a legal LZ4 block of literals only. Verilator's
// FST writer keeps a compressed block only when it is smaller, so that the waves are just larger than they could be.
#ifndef GATEWRIGHT_LZ4_H
#define GATEWRIGHT_LZ4_H

#include <cstring>

static inline int LZ4_compressBound(int size) { return size + size / 255 + 16; }

static inline int LZ4_compress_default(const char *source, char *target, int size, int capacity) {
    if (size < 0 || capacity < LZ4_compressBound(size)) return 0;
    unsigned char *out = reinterpret_cast<unsigned char *>(target);
    // The token's high half is the number of literals; 15 means that bytes follow which are added to it.
    *out++ = static_cast<unsigned char>((size < 15 ? size : 15) << 4);
    if (size >= 15) {
        int rest = size - 15;
        for (; rest >= 255; rest -= 255) *out++ = 255;
        *out++ = static_cast<unsigned char>(rest);
    }
    if (size > 0) std::memcpy(out, source, static_cast<size_t>(size));
    return static_cast<int>(out - reinterpret_cast<unsigned char *>(target)) + size;
}

#endif
