#include "acme/wire.hpp"
#include "documents.hpp"
#include "fuzz.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto body = fuzz::text_of(data, size);
    const auto parsed = fuzz::read([&] { return acme::parse_renewal_info(body, fuzz::url); });
    if (!parsed)
        return 0;
    fuzz::must(parsed->start < parsed->end, "a window ends after its start");
    boost::json::object document{
        {"suggestedWindow", {{"start", fuzz::to_rfc3339(parsed->start)}, {"end", fuzz::to_rfc3339(parsed->end)}}}};
    if (parsed->explanation_url)
        document["explanationURL"] = *parsed->explanation_url;
    const auto again =
        fuzz::read([&] { return acme::parse_renewal_info(boost::json::serialize(document), fuzz::url); });
    fuzz::must(again.has_value(), "a window that was written can be read");
    fuzz::must(again->start == parsed->start && again->end == parsed->end, "a window is the same after it was written");
    fuzz::must(again->explanation_url == parsed->explanation_url, "an explanation is the same after it was written");
    return 0;
}
