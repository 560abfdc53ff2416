#include "pki.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <gtest/gtest.h>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace pki {

namespace {

template <auto release>
struct Free {
    template <class T>
    void operator()(T *p) const {
        release(p);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using File = std::unique_ptr<FILE, Free<std::fclose>>;

void add(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
    ASSERT_TRUE(extension) << value;
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

} // namespace

void Files::make(const Spec &spec) const {
    static long serial = 1;
    Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
    Certificate certificate(X509_new()), of_issuer;
    Key issuer_key;
    X509 *c = certificate.get();
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c), spec.from);
    X509_gmtime_adj(X509_getm_notAfter(c), spec.until);
    X509_set_pubkey(c, key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char *>(spec.name.c_str()), -1, -1, 0);
    if (spec.issuer) {
        File in(std::fopen(path(spec.issuer).c_str(), "r"));
        of_issuer.reset(PEM_read_X509(in.get(), nullptr, nullptr, nullptr));
        issuer_key.reset(PEM_read_PrivateKey(in.get(), nullptr, nullptr, nullptr));
    }
    X509 *issuer = of_issuer ? of_issuer.get() : c;
    X509_set_issuer_name(c, X509_get_subject_name(issuer));
    add(c, issuer, NID_basic_constraints, spec.issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (!spec.subject_alt.empty())
        add(c, issuer, NID_subject_alt_name, spec.subject_alt.c_str());
    ASSERT_GT(X509_sign(c, issuer_key ? issuer_key.get() : key.get(), EVP_sha256()), 0);
    File out(std::fopen(path(spec.name).c_str(), "w"));
    ASSERT_TRUE(out);
    PEM_write_X509(out.get(), c);
    const EVP_CIPHER *cipher = spec.name == "locked" ? EVP_aes_128_cbc() : nullptr;
    PEM_write_PrivateKey(out.get(), key.get(), cipher, nullptr, 0, nullptr, const_cast<char *>("secret"));
}

Files::Files() {
    std::string name = (std::filesystem::temp_directory_path() / "evloop-pki-XXXXXX").string();
    EXPECT_TRUE(::mkdtemp(name.data()));
    directory_ = name;
    make({"ca", "", -3600, 86400, nullptr});
    make({"other_ca", "", -3600, 86400, nullptr});
    make({"server", "DNS:localhost,DNS:*.example.org,IP:127.0.0.1"});
    make({"second", "DNS:second.test"});
    make({"client", "DNS:client"});
    make({"of_other_ca", "DNS:localhost", -3600, 86400, "other_ca"});
    make({"expired", "DNS:localhost", -7200, -3600});
    make({"future", "DNS:localhost", 3600, 86400});
    make({"locked", "DNS:localhost"}); // its key has a passphrase
}

Files::~Files() { std::filesystem::remove_all(directory_); }

std::string file(const std::string &name) {
    static Files files;
    return files.path(name);
}

} // namespace pki
