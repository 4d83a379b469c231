#include "crypto/issuer_chain.hpp"

#include <map>

#include <evercert/certificate.hpp>

#include "crypto/pem.hpp"

namespace evercert {

namespace {

using digest = std::array<unsigned char, 32>;

struct chain_table {
    std::mutex mutex;
    std::map<digest, std::weak_ptr<const issuer_chain>> chains;
};

/// Never destroyed: certificates in static objects of the application may outlive it.
chain_table& table() {
    static auto* const one = new chain_table;
    return *one;
}

digest digest_of(const std::vector<bytes>& certificates) {
    bytes all;
    for (const bytes& der : certificates) {
        // A digest of each, so that two lists are the same only if they are cut the same way.
        const digest one = sha256(der);
        all.insert(all.end(), one.begin(), one.end());
    }
    return sha256(all);
}

void forget(const digest& key) {
    const std::lock_guard lock{table().mutex};
    const auto at = table().chains.find(key);
    // Another thread may have put a new one there since the last owner left.
    if (at != table().chains.end() && at->second.expired())
        table().chains.erase(at);
}

}  // namespace

std::vector<bytes> read_chain(std::string_view pem) {
    auto blocks = read_pem(pem, errc::invalid_certificate);
    if (blocks.empty())
        throw error{errc::invalid_certificate, "the PEM text holds no certificate (BEGIN CERTIFICATE)"};
    if (blocks.size() > certificate::chain_max)
        throw error{
            errc::invalid_certificate,
            "the chain has " + std::to_string(blocks.size()) + " certificates; at most " +
                std::to_string(certificate::chain_max) + " are accepted"};
    std::vector<bytes> chain;
    chain.reserve(blocks.size());
    for (pem_block& block : blocks) {
        // RFC 8555, section 11.4: a chain with another kind of block in it, such as a private key, is an attack on
        // whatever reads the file.
        if (block.label != "CERTIFICATE")
            throw error{
                errc::invalid_certificate,
                "the certificate chain holds a PEM block " + quoted(block.label) + "; it may hold certificates alone"};
        chain.push_back(std::move(block.der));
    }
    return chain;
}

x509_ptr parse_x509(bytes_view der) {
    auto cert = decode_der<x509_ptr>(d2i_X509, der);
    if (!cert)
        throw openssl_error(errc::invalid_certificate, "a certificate cannot be parsed");
    return cert;
}

std::shared_ptr<const issuer_chain> issuer_chain::intern(std::vector<bytes> certificates) {
    const digest key = digest_of(certificates);
    auto& [mutex, chains] = table();
    const std::lock_guard lock{mutex};
    auto& slot = chains[key];
    if (auto known = slot.lock())
        return known;
    const std::shared_ptr<const issuer_chain> fresh{
        new issuer_chain{std::move(certificates)}, [key](const issuer_chain* last) {
            delete last;
            forget(key);
        }};
    slot = fresh;
    return fresh;
}

STACK_OF(X509) * issuer_chain::parsed() const {
    const std::lock_guard lock{mutex_};
    if (parsed_)
        return parsed_.get();
    x509_stack_ptr chain{sk_X509_new_null()};
    for (const bytes& der : certificates_) {
        x509_ptr cert = parse_x509(der);
        if (!chain || sk_X509_push(chain.get(), cert.get()) <= 0)
            throw openssl_error(errc::invalid_certificate, "cannot keep the chain");
        cert.release();
    }
    parsed_ = std::move(chain);
    return parsed_.get();
}

}  // namespace evercert
