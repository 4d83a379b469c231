// What a certificate costs in memory and time: kept as DER, parsed, and looked up among others. The certificates are as
// long as those of Let's Encrypt.

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <malloc.h>
#include <openssl/ssl.h>

#include "crypto/held_certificate.hpp"
#include "crypto/openssl.hpp"
#include "issuing.hpp"
#include "lookup/certificate_index.hpp"

namespace {

using namespace evercert;

constexpr wall_time start = std::chrono::sys_days{std::chrono::June / 1 / 2026};
constexpr validity ninety_days{start, start + std::chrono::days{90}};

std::size_t in_use() { return ::mallinfo2().uordblks; }

/// Prints what `work` took for each of `count`: time, and memory since `before`.
template <typename Work>
void measure(const char* what, std::size_t count, std::size_t before, Work work) {
    const auto from = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - from;
    const auto each = static_cast<double>(count);
    std::cout << fmt::format(
        "  {:24} {:9.2f} us {:8.0f} bytes\n", what, took.count() / each, static_cast<double>(in_use() - before) / each);
}

/// As a connection does; OpenSSL keeps some of what it looked at in the certificate.
void use(SSL_CTX* context, const certificate& cert) {
    const std::unique_ptr<SSL, openssl_free<SSL_free>> ssl{SSL_new(context)};
    if (SSL_use_cert_and_key(ssl.get(), cert.native_handle(), cert.key().native_handle(), cert.native_chain(), 1) != 1)
        throw openssl_error(errc::tls_failed, "the certificate cannot be used");
}

void run(key_type type, std::size_t count) {
    const bench::issuing ca{ninety_days};
    // One key for all: RSA's take long to make, and nothing here is shared because of it.
    const auto key = private_key::generate(type);
    std::vector<bench::issued> records;
    for (std::size_t i = 0; i < count; ++i)
        records.push_back(ca.certificate_for(bench::name_of(i), key));
    const std::unique_ptr<SSL_CTX, openssl_free<SSL_CTX_free>> context{SSL_CTX_new(TLS_server_method())};

    std::cout << fmt::format("{}, {} certificates, each:\n", to_string(type), count);
    std::vector<held_ptr> held;
    held.reserve(count);
    certificate_index index{count};
    const auto before = in_use();
    measure("read from PEM", count, before, [&] {
        for (const auto& r : records)
            held.push_back(std::make_shared<const held_certificate>(
                r.chain, r.key, r.names, ninety_days.not_before, ninety_days.not_after));
    });
    measure("published", count, before, [&] { index.replace(held); });
    measure("parsed by a look-up", count, before, [&] {
        for (const auto& r : records)
            index.find(r.names.front());
    });
    measure("served", count, before, [&] {
        for (const auto& r : records)
            use(context.get(), *index.find(r.names.front()));
    });
    constexpr std::size_t rounds = 20;
    measure("looked up again", rounds * count, in_use(), [&] {
        // A stride, so that neighbours in memory do not help one another.
        for (std::size_t i = 0; i < rounds * count; ++i)
            index.find(records[i * 7919 % count].names.front());
    });
    measure("dropped", count, before, [&] {
        index.replace(std::vector<held_ptr>{});
        for (const auto& one : held)
            one->drop_parsed();
    });
}

}  // namespace

int main() try {
    for (const auto type : {key_type::ec_p256, key_type::rsa_2048})
        run(type, 10'000);
    return EXIT_SUCCESS;
} catch (const std::exception& e) {
    std::cerr << "certificate_memory: " << e.what() << '\n';
    return EXIT_FAILURE;
}
