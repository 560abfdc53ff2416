// pki.hpp - certificates for the tests: two roots, and what they have signed, as files in PEM.
#pragma once

#include <string>

namespace pki {

struct Spec {
    std::string name;        // of the file
    std::string subject_alt; // "DNS:localhost,IP:127.0.0.1"
    long from = -3600;       // seconds from now
    long until = 86400;
    const char *issuer = "ca"; // another file, or nullptr: it signs itself
};

// Made once for the process, and removed at its end.
class Files {
  public:
    Files();
    Files(const Files &) = delete;
    ~Files();
    std::string path(const std::string &name) const { return directory_ + "/" + name + ".pem"; }

  private:
    void make(const Spec &spec) const;
    std::string directory_;
};

// The path of one of them: ca, server, client, other_ca, of_other_ca, expired, future, locked.
std::string file(const std::string &name);

} // namespace pki
