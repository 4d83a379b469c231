#include "crypto/held_certificate.hpp"

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include <fmt/format.h>

#include "crypto/der_look.hpp"
#include "crypto/openssl.hpp"
#include "crypto/pem.hpp"
#include "crypto/x509_time.hpp"

namespace evercert {

namespace {

/// A mutex in each object would be half as large as the object itself. More than there are cores, so that two
/// certificates rarely wait for one another.
constexpr std::size_t mutexes_max = 64;

struct alignas(64) padded_mutex {
    std::shared_mutex mutex;
};

std::shared_mutex& mutex_of(const held_certificate* cert) {
    static auto* const all = new std::array<padded_mutex, mutexes_max>;
    return (*all)[reinterpret_cast<std::uintptr_t>(cert) / sizeof(held_certificate) % mutexes_max].mutex;
}

/// Bytes of a key, overwritten in the end.
struct secret_bytes {
    bytes value;
    ~secret_bytes() { OPENSSL_cleanse(value.data(), value.size()); }
};

/// Other forms than our own, and errors, are for the parser.
bytes read_pkcs8(std::string_view pem) {
    auto blocks = read_pem(pem, errc::invalid_key);
    if (blocks.size() == 1 && blocks.front().label == "PRIVATE KEY" && !blocks.front().encrypted)
        return std::move(blocks.front().der);
    for (pem_block& block : blocks)
        OPENSSL_cleanse(block.der.data(), block.der.size());
    return private_key::from_pem(pem).to_der();
}

std::vector<bytes> encode_chain(const STACK_OF(X509) * chain) {
    std::vector<bytes> certificates;
    for (int i = 0; i < sk_X509_num(chain); ++i)
        certificates.push_back(encode_der<X509>(i2d_X509, sk_X509_value(chain, i)));
    return certificates;
}

bool same_names(std::vector<identifier> a, std::vector<identifier> b) {
    std::ranges::sort(a);
    std::ranges::sort(b);
    return a == b;
}

/// Certificates have whole seconds; a record may have kept less than that of what lies beyond.
bool same_time(wall_time a, wall_time b) {
    return std::chrono::floor<std::chrono::seconds>(a) == std::chrono::floor<std::chrono::seconds>(b);
}

}  // namespace

held_certificate::held_certificate(
    std::string_view chain_pem, std::string_view key_pem, std::vector<identifier> names, wall_time not_before,
    wall_time not_after)
    : names_{std::move(names)}, not_before_{not_before}, not_after_{not_after} {
    names_.shrink_to_fit();
    const auto chain = read_chain(chain_pem);
    const secret_bytes pkcs8{read_pkcs8(key_pem)};
    issuers_ = issuer_chain::intern({chain.begin() + 1, chain.end()});
    keep(chain.front(), pkcs8.value);
}

held_certificate::held_certificate(certificate_ptr cert)
    : names_{cert->names()}, not_before_{cert->not_before()}, not_after_{cert->not_after()} {
    issuers_ = issuer_chain::intern(encode_chain(cert->native_chain()));
    const secret_bytes pkcs8{cert->key().to_der()};
    keep(encode_der<X509>(i2d_X509, cert->native_handle()), pkcs8.value);
    parsed_ = std::move(cert);
}

held_certificate::~held_certificate() { OPENSSL_cleanse(data_.get() + leaf_size_, key_size_); }

void held_certificate::keep(bytes_view leaf, bytes_view pkcs8) {
    packed_key packed = pack_key(pkcs8, leaf);
    if (packed.public_at > UINT16_MAX)
        packed = packed_key{pkcs8};
    // RSA 4096 takes 2.4 kB.
    if (packed.secret.size() > UINT16_MAX)
        throw error{
            errc::invalid_key,
            fmt::format("a private key of {} bytes is none that evercert takes", packed.secret.size())};
    data_ = std::make_unique_for_overwrite<unsigned char[]>(leaf.size() + packed.secret.size());
    std::ranges::copy(packed.secret, std::ranges::copy(leaf, data_.get()).out);
    leaf_size_ = static_cast<std::uint32_t>(leaf.size()) & leaf_size_max;
    key_size_ = static_cast<std::uint16_t>(packed.secret.size());
    public_at_ = static_cast<std::uint16_t>(packed.public_at);
    type_ = static_cast<unsigned>(look_at_key(pkcs8).value_or(key_type::ec_p256)) & 7U;
    const auto scheme = look_at_signature(leaf);
    signed_with_ = (scheme ? static_cast<unsigned>(*scheme) : unknown_scheme) & unknown_scheme;
}

certificate_ptr held_certificate::get() const {
    if (auto parsed = if_parsed())
        return parsed;
    // Several threads may do this at once; the first result is everyone's.
    auto fresh = parse();
    const std::unique_lock lock{mutex_of(this)};
    if (!parsed_)
        parsed_ = std::move(fresh);
    return parsed_;
}

certificate_ptr held_certificate::if_parsed() const {
    const std::shared_lock lock{mutex_of(this)};
    return parsed_;
}

void held_certificate::drop_parsed() const {
    certificate_ptr dropped;
    const std::unique_lock lock{mutex_of(this)};
    dropped.swap(parsed_);
}

certificate_ptr held_certificate::parse() const {
    const certificate_ptr parsed{new certificate{leaf(), issuers_, parse_key(key(), leaf())}};
    if (!same_names(parsed->names(), names_))
        throw error{
            errc::name_mismatch,
            "the record says that the certificate is for " + to_string(names_) + ", and it is for " +
                to_string(parsed->names())};
    if (!same_time(parsed->not_before(), not_before_) || !same_time(parsed->not_after(), not_after_))
        throw error{
            errc::invalid_certificate,
            "the record says that the certificate for " + to_string(names_) + " is valid from " + to_text(not_before_) +
                " to " + to_text(not_after_) + ", and it is from " + to_text(parsed->not_before()) + " to " +
                to_text(parsed->not_after())};
    return parsed;
}

std::string held_certificate::chain_pem() const {
    std::string text = write_pem("CERTIFICATE", leaf());
    for (const bytes& der : issuers_->certificates())
        text += write_pem("CERTIFICATE", der);
    return text;
}

std::string held_certificate::key_pem() const {
    const secret_bytes pkcs8{unpack_key(key(), leaf())};
    return write_pem("PRIVATE KEY", pkcs8.value);
}

}  // namespace evercert
