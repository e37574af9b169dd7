// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Glibc
internal import WeirHTTP

struct SecretCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "secret",
    abstract: "Make a secret for a client of the catalog server.",
    discussion: """
      Reads the secret from standard input when that is not a terminal, else makes one up and prints \
      it. Then prints what the server's file of clients keeps of it, from which the secret cannot be \
      worked out.

      Examples:
        weir catalog secret
        printf %s "$SECRET" | weir catalog secret
      """)

  func run() throws {
    var secret = ""
    if isatty(STDIN_FILENO) == 1 {
      let alphabet = Array("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789")
      var generator = SystemRandomNumberGenerator()
      for _ in 0..<32 { secret.append(alphabet.randomElement(using: &generator)!) }
      Terminal.writeLine("secret (for the client, shown once): \(secret)")
    } else {
      while let line = readLine(strippingNewline: true) { secret += line }
      guard secret.utf8.count >= 8 else {
        throw CommandFailure(
          "the secret has \(secret.utf8.count) bytes",
          hint: "Take at least 8, better 32 that nobody can guess.")
      }
    }
    Terminal.writeLine("\(ClientSecret(of: secret))")
  }
}
