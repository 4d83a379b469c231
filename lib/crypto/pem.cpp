#include "crypto/pem.hpp"

#include <openssl/pem.h>

#include "crypto/openssl.hpp"

namespace evercert {

namespace {

constexpr std::string_view begin_mark = "-----BEGIN ";

/// `PEM_read_bio` passes over a block that it cannot read as if it were text around one, so what it returned
/// is held against what there is.
std::size_t count_blocks(std::string_view text) {
    std::size_t count = 0;
    for (auto at = text.find(begin_mark); at != text.npos; at = text.find(begin_mark, at + begin_mark.size())) {
        if (at == 0 || text[at - 1] == '\n' || text[at - 1] == '\r')
            ++count;
    }
    return count;
}

}  // namespace

std::vector<pem_block> read_pem(std::string_view text, errc code) {
    if (text.size() > pem_size_max)
        throw error{code, "the PEM text is larger than 256 kB"};
    const openssl_errors_dropped errors;
    const bio_ptr in{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
    std::vector<pem_block> blocks;
    for (;;) {
        char* label = nullptr;
        char* header = nullptr;
        unsigned char* data = nullptr;
        long size = 0;
        if (PEM_read_bio(in.get(), &label, &header, &data, &size) != 1)
            break;
        const openssl_memory_ptr label_owner{reinterpret_cast<unsigned char*>(label)};
        const openssl_memory_ptr header_owner{reinterpret_cast<unsigned char*>(header)};
        const openssl_memory_ptr data_owner{data};
        blocks.push_back(
            {label, std::string_view{header}.find("ENCRYPTED") != std::string_view::npos, bytes(data, data + size)});
        OPENSSL_cleanse(data, static_cast<std::size_t>(size));
    }
    if (blocks.size() != count_blocks(text))
        throw error{code, "PEM block " + std::to_string(blocks.size() + 1) + " is damaged or cut off"};
    return blocks;
}

std::string write_pem(const char* label, bytes_view der) {
    const bio_ptr out{BIO_new(BIO_s_mem())};
    char* text = nullptr;
    if (!out || PEM_write_bio(out.get(), label, "", der.data(), static_cast<long>(der.size())) <= 0)
        throw openssl_error(errc::invalid_certificate, "cannot write PEM");
    const long size = BIO_get_mem_data(out.get(), &text);
    return {text, static_cast<std::size_t>(size)};
}

}  // namespace evercert
