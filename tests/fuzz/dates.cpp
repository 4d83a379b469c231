// The dates of HTTP and RFC 3339.

#include "acme/dates.hpp"

#include "documents.hpp"
#include "fuzz.hpp"
#include "http/http1.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    if (const auto date = acme::parse_http_date(text)) {
        const auto again = acme::parse_http_date(http_date(*date));
        fuzz::must(again == std::chrono::floor<std::chrono::seconds>(*date), "a date is the same after it was written");
    }
    if (const auto time = acme::parse_rfc3339(text))
        fuzz::must(acme::parse_rfc3339(fuzz::to_rfc3339(*time)) == time, "a time is the same after it was written");
    return 0;
}
