// SPDX-License-Identifier: Apache-2.0

public import WeirStorage

/// Who asks. Never printed.
public struct S3Credentials: Sendable, Hashable, CustomStringConvertible {
  public var accessKey: String
  public var secretKey: String
  public var sessionToken: String?

  public init(accessKey: String, secretKey: String, sessionToken: String? = nil) {
    self.accessKey = accessKey
    self.secretKey = secretKey
    self.sessionToken = sessionToken
  }

  public var description: String { "S3 credentials (not shown)" }
}

/// Where credentials come from, each time that they are needed anew.
public enum S3CredentialSource: Sendable {
  /// Requests are not signed: public buckets.
  case anonymous
  case fixed(S3Credentials)
  /// Asked at the first request, and again when the service says that the former ones are too old.
  case dynamic(@Sendable () throws(StorageError) -> S3Credentials)
}

/// What the environment of a process and the AWS files say.
///
/// The usual variables: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`;
/// `AWS_REGION`, `AWS_DEFAULT_REGION`; `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`; `AWS_PROFILE`;
/// `AWS_SHARED_CREDENTIALS_FILE` (else `~/.aws/credentials`) and `AWS_CONFIG_FILE` (else
/// `~/.aws/config`). Variables win over files.
public struct S3Environment: Sendable {
  private let variable: @Sendable (String) -> String?
  private let file: @Sendable (String) -> String?

  /// - Parameters:
  ///   - variable: the value of an environment variable.
  ///   - file: the text of a file; `nil` when it cannot be read.
  public init(
    variable: @escaping @Sendable (String) -> String?, file: @escaping @Sendable (String) -> String?
  ) {
    self.variable = variable
    self.file = file
  }

  public var region: String? {
    value("AWS_REGION") ?? value("AWS_DEFAULT_REGION") ?? configuration["region"]
  }

  public var endpoint: String? {
    value("AWS_ENDPOINT_URL_S3") ?? value("AWS_ENDPOINT_URL") ?? configuration["endpoint_url"]
  }

  /// A file of trusted certificates (`AWS_CA_BUNDLE`).
  public var certificateFile: String? { value("AWS_CA_BUNDLE") ?? configuration["ca_bundle"] }

  /// The credentials that the environment names; an error that says where they were looked for when
  /// there are none.
  public func credentials() throws(StorageError) -> S3Credentials {
    if let key = value("AWS_ACCESS_KEY_ID"), let secret = value("AWS_SECRET_ACCESS_KEY") {
      return S3Credentials(
        accessKey: key, secretKey: secret, sessionToken: value("AWS_SESSION_TOKEN"))
    }
    let path = credentialsPath
    let sections = [file(path).map { Self.section(profile, of: $0) } ?? [:], configuration]
    for section in sections {
      if let key = section["aws_access_key_id"], let secret = section["aws_secret_access_key"] {
        return S3Credentials(
          accessKey: key, secretKey: secret, sessionToken: section["aws_session_token"])
      }
    }
    throw StorageError(
      .permissionDenied, operation: "sign", path: "s3",
      "there are no S3 credentials: neither AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY in the "
        + "environment, nor the profile '\(profile)' with keys in \(path) or \(configPath); set them, "
        + "or ask for anonymous access if the bucket is public")
  }

  private var profile: String { value("AWS_PROFILE") ?? "default" }
  private var home: String { value("HOME") ?? "" }
  private var credentialsPath: String {
    value("AWS_SHARED_CREDENTIALS_FILE") ?? "\(home)/.aws/credentials"
  }
  private var configPath: String { value("AWS_CONFIG_FILE") ?? "\(home)/.aws/config" }

  /// The profile's section of the configuration file, whose headings say `profile name`.
  private var configuration: [String: String] {
    guard let text = file(configPath) else { return [:] }
    let named = Self.section("profile \(profile)", of: text)
    return named.isEmpty && profile == "default" ? Self.section("default", of: text) : named
  }

  private func value(_ name: String) -> String? {
    guard let value = variable(name), !value.isEmpty else { return nil }
    return value
  }

  /// The lines `name = value` below `[heading]`. Indented lines belong to nested settings.
  static func section(_ heading: String, of text: String) -> [String: String] {
    var result: [String: String] = [:]
    var isInside = false
    for line in text.utf8.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
      let isIndented = line.first == 0x20 || line.first == 0x09
      let words = trimmed(line)
      guard let first = words.utf8.first, first != UInt8(ascii: "#"), first != UInt8(ascii: ";")
      else { continue }
      if first == UInt8(ascii: "[") {
        let name = words.dropFirst().utf8.prefix { $0 != UInt8(ascii: "]") }
        isInside = name.split(separator: 0x20).elementsEqual(heading.utf8.split(separator: 0x20)) {
          $0.elementsEqual($1)
        }
      } else if isInside, !isIndented, let equals = words.utf8.firstIndex(of: UInt8(ascii: "=")) {
        let name = trimmed(words.utf8[..<equals]).lowercased()
        result[name] = trimmed(words.utf8[words.utf8.index(after: equals)...])
      }
    }
    return result
  }

  private static func trimmed(_ text: Substring.UTF8View) -> String {
    let start = text.drop { $0 == 0x20 || $0 == 0x09 }
    let end = start.lastIndex { $0 != 0x20 && $0 != 0x09 }
    return end.map { String(decoding: start[...$0], as: UTF8.self) } ?? ""
  }
}
