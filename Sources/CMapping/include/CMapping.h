// Guards for file mappings: a page that the file lost while it was mapped reads as zeros and is remembered,
// instead of killing the process with SIGBUS.
#ifndef INQUEST_CMAPPING_H
#define INQUEST_CMAPPING_H
#include <stddef.h>
#include <stdint.h>

/// Watches [base, base + length). Returns the flag that becomes 1 when a page of it was lost,
/// or NULL when no slot is free (4096 mappings at once) or the handler cannot be installed.
const volatile uint8_t *_Nullable inquest_mapping_watch(const void *_Nonnull base, size_t length);

/// Ends what inquest_mapping_watch began; takes the flag that it returned.
void inquest_mapping_unwatch(const volatile uint8_t *_Nonnull flag);

#endif
