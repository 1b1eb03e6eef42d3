// Memory of this process as the system sees it: freed memory stays with the C library until it is given back.
#pragma once

#include <cstdint>

namespace millrace {

/// Once, at the start of a program: few pools, so that what one thread frees another uses, and large blocks that go
/// back to the system when they are freed.
void limit_free_memory();
/// Lets each pool keep some of what was freed: what one step frees the next one needs again, and getting it back page
/// by page costs a step up to a tenth. The share grows with the memory that the node may use.
void keep_free_memory(uint64_t memory_bytes);
/// Gives free pages of all pools back to the system; takes milliseconds.
void return_free_memory();

}  // namespace millrace
