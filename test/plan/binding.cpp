// The helper of test/batch that binds SQL text, compiled into this program too.
#include "batch/binding.cpp"  // NOLINT
