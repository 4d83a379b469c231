#include "manager/pem_files.hpp"

#include <openssl/crypto.h>

#include <evercert/error.hpp>

#include "crypto/encoding.hpp"
#include "crypto/pem.hpp"
#include "store/file_io.hpp"

namespace evercert {
namespace {

std::string read_file(disk& from, const std::string& path) {
    std::error_code failed;
    const auto file = from.open_file(path, failed);
    check_file(failed, "open", path);
    return read_whole(*file, pem_size_max, path);
}

/// A file of both has what a certificate's chain must not have, and the other way round.
std::string only(std::string_view pem, bool certificates, errc code) {
    std::string kept;
    for (auto& block : read_pem(pem, code)) {
        const bool is_certificate = block.label == "CERTIFICATE";
        // What OpenSSL writes before a key says what the key says itself.
        if (is_certificate == certificates && block.label != "EC PARAMETERS" && !block.encrypted)
            kept += write_pem(block.label.c_str(), block.der);
        else if (block.encrypted && !certificates)
            throw error{errc::invalid_key, "the private key is encrypted, and there is nobody to ask for its password"};
        OPENSSL_cleanse(block.der.data(), block.der.size());
    }
    return kept;
}

}  // namespace

file_look::digest pem_content::digest() const {
    // No PEM has a zero byte, so nothing of one can be taken for a part of the other.
    std::string all = chain + '\0' + key + '\0' + problem;
    const auto digest = sha256(as_bytes(all));
    OPENSSL_cleanse(all.data(), all.size());
    return digest;
}

pem_content read_pem_files(disk& from, const certificate_paths& paths) {
    pem_content content;
    try {
        content.chain = read_file(from, paths.chain);
        content.key = paths.key == paths.chain ? content.chain : read_file(from, paths.key);
    } catch (const error& e) {
        content = {{}, {}, e.what()};
    }
    return content;
}

certificate_ptr parse_own(std::string_view chain_pem, std::string_view key_pem) {
    auto key = only(key_pem, false, errc::invalid_key);
    const auto own = std::make_shared<const certificate>(
        only(chain_pem, true, errc::invalid_certificate), private_key::from_pem(key));
    OPENSSL_cleanse(key.data(), key.size());
    verify_servable(*own, {}, own->not_before());
    return own;
}

certificate_ptr parse_own(const pem_content& content, const certificate_paths& paths) {
    if (!content.problem.empty())
        throw error{errc::store_failed, content.problem};
    try {
        return parse_own(content.chain, content.key);
    } catch (const error& e) {
        const auto files = paths.chain == paths.key ? paths.chain : paths.chain + " with " + paths.key;
        throw error{e.code(), files + ": " + e.what()};
    }
}

}  // namespace evercert
