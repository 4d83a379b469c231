// RFC 8555, sections 7.4.2 and 7.6: certificates and their revocation.

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "testing/answers.hpp"
#include "testing/ca_core.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

/// The reasons that RFC 5280, section 5.3.1 has for a certificate of a server; 6, 8, 9 and 10 are for others, 7
/// is unused.
bool is_revocation_reason(const boost::json::value& reason) {
    if (!reason.is_int64())
        return false;
    const auto code = reason.get_int64();
    return code >= 0 && code <= 5 && code != 2;
}

bool is_key_of(const public_key& key, const std::vector<unsigned char>& certificate_der) {
    const auto* at = certificate_der.data();
    const std::unique_ptr<X509, decltype(&X509_free)> parsed{
        d2i_X509(nullptr, &at, static_cast<long>(certificate_der.size())), &X509_free};
    return parsed && EVP_PKEY_eq(X509_get0_pubkey(parsed.get()), key.native_handle()) == 1;
}

}  // namespace

response ca_core::certificate(const route& where, const signed_request& in) {
    const auto* found = book_.find_certificate(where.id);
    const bool is_alternate = where.what == resource::alternate;
    if (!found || (is_alternate && found->alternate_pem.empty()))
        throw refusal{404, "malformed", "there is no such certificate"};
    if (found->account != in.account->id)
        throw refusal{403, "unauthorized", "the certificate is another account's"};
    require_post_as_get(in.jws);
    auto answer = empty_response(200);
    answer.fields.set("Content-Type", "application/pem-certificate-chain");
    answer.body = is_alternate ? found->alternate_pem : found->chain_pem;
    const auto other = is_alternate ? resource::certificate : resource::alternate;
    if (!found->alternate_pem.empty())
        answer.fields.add("Link", link(view_.url(other, found->id), "alternate"));
    return answer;
}

response ca_core::revoke_cert(const signed_request& in, moment now) {
    const auto payload = in.jws.object();
    const auto* encoded = find_string(payload, "certificate");
    if (!encoded)
        throw refusal{400, "malformed", "there is no \"certificate\""};
    auto* found = book_.find_certificate(decode(*encoded, "the certificate"));
    if (!found)
        throw refusal{404, "malformed", "the certificate was not issued here"};
    const bool may = in.account
        ? found->account == in.account->id || book_.is_authorized(*in.account, found->names, now)
        : is_key_of(*in.key, found->der);
    if (!may)
        throw refusal{403, "unauthorized", "this key may not revoke the certificate"};
    const auto* reason = payload.if_contains("reason");
    if (reason && !is_revocation_reason(*reason))
        throw refusal{400, "badRevocationReason", "the reason is none that a server's certificate can have"};
    if (found->revoked)
        throw refusal{400, "alreadyRevoked", "the certificate was revoked before"};
    found->revoked = true;
    move_window(*found, {now.wall - std::chrono::hours{1}, now.wall});
    return empty_response(200);
}

}  // namespace evercert::testing
