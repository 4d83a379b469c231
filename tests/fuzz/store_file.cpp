// The files of a store that is a folder, which other programs write, too.

#include "fuzz.hpp"
#include "store/file_value.hpp"

using namespace evercert;

namespace {

bool same(const std::optional<read_file_value>& a, const read_file_value& b) {
    return a && a->value == b.value && a->key == b.key;
}

void check(const read_file_value& file, bool holds_key) {
    const auto* key = holds_key ? &file.key : nullptr;
    const auto json = write_json_file(file.value, key);
    const auto again = fuzz::read([&] { return read_json_file(json, holds_key); });
    fuzz::must(again.has_value(), "a file that was written can be read");
    // Boost.JSON reads some doubles as their neighbours, but then stays with those.
    const auto pem = write_pem_file(again->value, key);
    fuzz::must(
        same(fuzz::read([&] { return read_json_file(write_json_file(again->value, key), holds_key); }), *again),
        "a file is the same after it was written and read");
    fuzz::must(
        !pem || same(fuzz::read([&] { return read_pem_file(*pem, holds_key); }), *again),
        "a value is the same after it was written as PEM");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = fuzz::text_of(data, size);
    for (const bool holds_key : {false, true}) {
        if (const auto file = fuzz::read([&] { return read_json_file(text, holds_key); }))
            check(*file, holds_key);
        if (const auto file = fuzz::read([&] { return read_pem_file(text, holds_key); }))
            check(*file, holds_key);
    }
    return 0;
}
