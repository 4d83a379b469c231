#include <evercert/key.hpp>

#include "fuzz.hpp"

using namespace evercert;

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto check = [](const private_key& key) {
        const auto again = fuzz::read([&] { return private_key::from_pem(key.to_pem()); });
        fuzz::must(again && *again == key, "a key is the same after it was written");
        fuzz::must(private_key::from_der(key.to_der()) == key, "a key is the same in DER");
    };
    if (const auto key = fuzz::read([&] { return private_key::from_pem(fuzz::text_of(data, size)); }))
        check(*key);
    if (const auto key = fuzz::read([&] { return private_key::from_der({data, size}); }))
        check(*key);
    return 0;
}
