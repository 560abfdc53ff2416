/* op_peek.c - C, because the library's own headers are. */
#include "op_peek.h"
#include "op/op.h"

int32_t peek_ready(const evl_op *op) { return evl_operation_of(op)->state == EVL_OP_READY; }

uint32_t peek_posted(const evl_loop *loop) { return atomic_load(&((evl_loop *)(uintptr_t)loop)->posted); }
