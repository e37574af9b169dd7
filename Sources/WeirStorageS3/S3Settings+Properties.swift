// SPDX-License-Identifier: Apache-2.0

extension S3Settings {
  /// Settings by the names that Iceberg's clients use: `s3.endpoint`, `s3.region` (or
  /// `client.region`), `s3.access-key-id`, `s3.secret-access-key`, `s3.session-token`,
  /// `s3.path-style-access`, and `s3.anonymous`. What they leave out comes from the environment.
  public init(
    bucket: String, properties: [String: String], environment: S3Environment = .system
  ) {
    func value(_ name: String) -> String? {
      guard let value = properties[name], !value.isEmpty else { return nil }
      return value
    }
    func flag(_ name: String) -> Bool? { value(name).map { $0.lowercased() == "true" } }

    let credentials: S3CredentialSource
    if flag("s3.anonymous") == true {
      credentials = .anonymous
    } else if let key = value("s3.access-key-id"), let secret = value("s3.secret-access-key") {
      credentials = .fixed(
        S3Credentials(
          accessKey: key, secretKey: secret, sessionToken: value("s3.session-token")))
    } else {
      credentials = .dynamic(environment.credentials)
    }
    self.init(bucket: bucket, credentials: credentials)
    endpoint = value("s3.endpoint") ?? environment.endpoint
    region = value("s3.region") ?? value("client.region") ?? environment.region ?? region
    usesPathStyle = flag("s3.path-style-access")
  }
}
