// URLs, and the Link fields that have some.

#include "http/url.hpp"

#include "acme/json.hpp"
#include "acme/link.hpp"
#include "fuzz.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    if (const auto parsed = parse_url(text)) {
        fuzz::must(is_request_target(parsed->target), "a target fits into a request");
        fuzz::must(parsed->target.starts_with('/') && parsed->port != 0, "a URL is whole");
        const auto again = parse_url(parsed->scheme + "://" + parsed->host_field() + parsed->target);
        fuzz::must(
            again && again->scheme == parsed->scheme && again->host == parsed->host && again->port == parsed->port &&
                again->target == parsed->target,
            "a URL is the same after it was written");
    }
    const std::string with_path = "https://" + std::string{text} + "/x";
    if (parse_authority(text))
        fuzz::must(parse_url(with_path).has_value(), "an authority makes a URL");
    constexpr std::size_t links_max = 4;
    const auto links = acme::find_links({text, text}, "alternate", links_max);
    fuzz::must(links.size() <= links_max, "links are bounded");
    for (const auto& one : links)
        fuzz::must(acme::is_https_url(one), "a link leads to https");
    return 0;
}
