#include <evercert/identifier.hpp>

#include "fuzz.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    const auto parsed = identifier::parse(text);
    fuzz::must(parsed.has_value() == fuzz::accepts([&] { identifier{text}; }), "both ways to parse agree");
    if (const auto address = from_reverse_arpa(text)) {
        fuzz::must(address->type() == identifier::kind::ip, "a reverse name is of an address");
        const auto name = to_reverse_arpa(*address);
        fuzz::must(from_reverse_arpa(name) == address, "a reverse name is the same after it was written");
    }
    if (!parsed)
        return 0;
    constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyz0123456789-.:*";
    const auto& value = parsed->value();
    fuzz::must(value.find_first_not_of(known) == std::string::npos, "a name has no character that means anything");
    fuzz::must(value.size() <= 255 && !value.ends_with('.'), "a name fits into DNS");
    fuzz::must(value.find("..") == std::string::npos, "a name has no empty label");
    fuzz::must(identifier::parse(value) == parsed, "a name is the same after it was written");
    if (const auto wildcard = parsed->wildcard())
        fuzz::must(wildcard->is_wildcard() && identifier::parse(wildcard->value()) == wildcard, "a wildcard is a name");
    if (parsed->type() == identifier::kind::ip)
        fuzz::must(from_reverse_arpa(to_reverse_arpa(*parsed)) == parsed, "an address has a reverse name");
    return 0;
}
