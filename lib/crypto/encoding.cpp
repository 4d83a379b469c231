#include "crypto/encoding.hpp"

#include <openssl/evp.h>

#include "crypto/openssl.hpp"

namespace evercert {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr unsigned char no_value = 0xff;

constexpr std::array<unsigned char, 256> values = [] {
    std::array<unsigned char, 256> table{};
    table.fill(no_value);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        table[static_cast<unsigned char>(alphabet[i])] = static_cast<unsigned char>(i);
    return table;
}();

}  // namespace

std::string base64url_encode(bytes_view data) {
    std::string text;
    text.reserve((data.size() * 4 + 2) / 3);
    unsigned buffer = 0;
    int bits = 0;
    for (const unsigned char byte : data) {
        buffer = buffer << 8 | byte;
        for (bits += 8; bits >= 6; bits -= 6)
            text += alphabet[buffer >> (bits - 6) & 0x3f];
    }
    if (bits > 0)
        text += alphabet[buffer << (6 - bits) & 0x3f];
    return text;
}

std::optional<bytes> base64url_decode(std::string_view text) {
    if (text.size() % 4 == 1)
        return {};
    bytes data;
    data.reserve(text.size() * 3 / 4);
    unsigned buffer = 0;
    int bits = 0;
    for (const char c : text) {
        const unsigned char value = values[static_cast<unsigned char>(c)];
        if (value == no_value)
            return {};
        buffer = buffer << 6 | value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            data.push_back(static_cast<unsigned char>(buffer >> bits));
        }
    }
    // A second text for the same bytes would let a signed value be changed without notice.
    if ((buffer & ((1u << bits) - 1)) != 0)
        return {};
    return data;
}

std::array<unsigned char, 32> sha256(bytes_view data) {
    std::array<unsigned char, 32> digest;
    if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw openssl_error(errc::invalid_options, "SHA-256 is not available");
    return digest;
}

}  // namespace evercert
