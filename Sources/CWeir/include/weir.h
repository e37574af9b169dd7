#ifndef WEIR_H
#define WEIR_H
#endif
