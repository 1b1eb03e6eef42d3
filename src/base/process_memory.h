// Memory of this process as the system sees it: freed memory stays with the C library until it is given back.
#pragma once

namespace millrace {

/// Once, at the start of a program: few pools, so that what one thread frees another uses, and large blocks that go
/// back to the system when they are freed.
void limit_free_memory();
/// Gives free pages of all pools back to the system; takes milliseconds.
void return_free_memory();

}  // namespace millrace
