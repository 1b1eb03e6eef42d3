// What EXPLAIN says below an operator that keeps state. Private to sql/.
#pragma once

#include <string>
#include <vector>

#include "plan/plan.h"

namespace millrace::sql {

/// `key: …`, `state: …` (what is kept, and what bounds it), `watermark: …` where it matters, `form: …` (and why). None for a
/// stateless operator.
std::vector<std::string> state_notes(const plan::Plan& plan, uint32_t index);

}  // namespace millrace::sql
