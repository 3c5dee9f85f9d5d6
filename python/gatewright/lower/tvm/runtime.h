// SPDX-License-Identifier: Apache-2.0
/// All that compiled kernels ask of TVM's runtime, for programs without it: errors, scratch memory, loops on one core.
/// Kernels take DLPack tensors through TVM's function call interface, whose headers the TVM wheel ships.
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <tvm/ffi/c_api.h>

/// An argument check of a kernel failed: say why.
void TVMFFIErrorSetRaisedFromCStrParts(const char* kind, const char** parts, int32_t count) {
  fprintf(stderr, "%s: ", kind);
  for (int32_t i = 0; i < count; i++) {
    if (parts[i]) fputs(parts[i], stderr);
  }
  fputc('\n', stderr);
}

typedef struct {
  void* sync;
  int32_t tasks;
} gw_group;

static void* gw_allocate(int device, int id, uint64_t bytes, int code, int bits) {
  (void)device, (void)id, (void)code, (void)bits;
  return aligned_alloc(64, (bytes + 63) & ~(uint64_t)63);
}

static int gw_release(int device, int id, void* memory) {
  (void)device, (void)id;
  free(memory);
  return 0;
}

static int gw_launch(int (*body)(int, gw_group*, void*), void* closure, int tasks) {
  (void)tasks;
  gw_group group = {NULL, 1};
  return body(0, &group, closure);
}

// Kernels reach the runtime through these pointers, which they declare weak.
void* (*__TVMBackendAllocWorkspace)(int, int, uint64_t, int, int) = gw_allocate;
int (*__TVMBackendFreeWorkspace)(int, int, void*) = gw_release;
int (*__TVMBackendParallelLaunch)(int (*)(int, gw_group*, void*), void*, int) = gw_launch;

typedef int (*gw_kernel)(void*, const TVMFFIAny*, int32_t, TVMFFIAny*);

/// A compact tensor in host memory.
static DLTensor gw_tensor(const void* data, int64_t* shape, int axes, uint8_t code, uint8_t bits) {
  DLTensor found = {.data = (void*)data, .device = {kDLCPU, 0}, .ndim = axes, .dtype = {code, bits, 1}, .shape = shape};
  return found;
}

/// Calls a kernel on tensors; strides of compact tensors are filled in here.
static int gw_call(gw_kernel kernel, DLTensor** tensors, int count) {
  TVMFFIAny arguments[16], result = {.type_index = kTVMFFINone};
  int64_t strides[16][8];
  for (int i = 0; i < count; i++) {
    int64_t step = 1;
    for (int axis = tensors[i]->ndim - 1; axis >= 0; axis--) {
      strides[i][axis] = step;
      step *= tensors[i]->shape[axis];
    }
    tensors[i]->strides = strides[i];
    arguments[i] = (TVMFFIAny){.type_index = kTVMFFIDLTensorPtr, .v_ptr = tensors[i]};
  }
  return kernel(NULL, arguments, count, &result);
}
