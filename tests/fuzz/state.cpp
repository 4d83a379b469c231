// The cache file, and what `marshal()` returned.

#include "state_check.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (const auto items = fuzz::read([&] { return read_document(fuzz::text_of(data, size)); }))
        fuzz::accepts_state(*items);
    return 0;
}
