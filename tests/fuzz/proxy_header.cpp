// What a proxy says first.

#include "base/proxy_header.hpp"

#include "fuzz.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto header = parse_proxy_header({data, size});
    switch (header.parsed) {
    case proxy_header::state::incomplete:
        fuzz::must(size < proxy_v2_max, "who waits for more is bounded");
        fuzz::must(size == 0 || data[0] != 'P' || size < proxy_v1_max, "a line is bounded");
        break;
    case proxy_header::state::complete:
        fuzz::must(header.size <= size && header.size <= proxy_v2_max, "a header is within its input");
        fuzz::must(
            parse_proxy_header({data, header.size}).parsed == proxy_header::state::complete,
            "what comes behind a header does not matter");
        fuzz::must(
            parse_proxy_header({data, header.size - 1}).parsed == proxy_header::state::incomplete,
            "a header ends with its last byte");
        break;
    case proxy_header::state::malformed: fuzz::must(!header.of, "what is malformed says nothing"); break;
    }
    return 0;
}
