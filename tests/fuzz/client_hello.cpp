// What a TLS client says first: the bodies of its extensions, and whole records through OpenSSL.

#include "tls/client_hello.hpp"

#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "fuzz.hpp"

using namespace evercert;

namespace {

void check(const client_hello& hello) {
    fuzz::must(hello.server_name.size() <= server_name_max, "a server name is bounded");
    fuzz::must(hello.alpn_protocols.size() <= alpn_protocols_max, "an offer is bounded");
    for (const auto& protocol : hello.alpn_protocols)
        fuzz::must(!protocol.empty() && protocol.size() <= 255, "a protocol has a name");
}

int on_client_hello(SSL* ssl, int* alert, void*) {
    client_hello hello;
    *alert = read_client_hello(ssl, hello);
    check(hello);
    // The handshake ends here: what follows is OpenSSL's.
    return SSL_CLIENT_HELLO_ERROR;
}

SSL_CTX* context() {
    static const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> shared = [] {
        auto* made = SSL_CTX_new(TLS_server_method());
        SSL_CTX_set_client_hello_cb(made, on_client_hello, nullptr);
        return std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>{made, SSL_CTX_free};
    }();
    return shared.get();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    client_hello hello;
    parse_server_name({data, size}, hello.server_name);
    parse_alpn({data, size}, hello.alpn_protocols);
    check(hello);
    const bytes_view all{data, size};
    const hello_fields fields{all, all, all, all, all};
    if (parse_support(fields, hello.support) == 0)
        fuzz::must(
            !supports(hello.support, key_type::ec_p256, tls_version::tls_1_2) || hello.support.secp256r1,
            "a client takes no certificate of a group that it did not name");

    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl{SSL_new(context()), SSL_free};
    auto* in = BIO_new_mem_buf(data, static_cast<int>(size));
    BIO_set_mem_eof_return(in, -1);
    SSL_set_bio(ssl.get(), in, BIO_new(BIO_s_null()));
    fuzz::must(SSL_accept(ssl.get()) != 1, "no handshake succeeds");
    ERR_clear_error();
    return 0;
}
