#ifndef WEIR_KERNELS_H
#define WEIR_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#endif
