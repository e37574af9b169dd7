// SPDX-License-Identifier: Apache-2.0

internal import Testing
internal import WeirStorage

@testable internal import WeirStorageS3

@Suite struct SettingsTests {
  static func settings(_ bucket: String, _ change: (inout S3Settings) -> Void = { _ in })
    -> S3Settings
  {
    var settings = S3Settings(bucket: bucket, credentials: .anonymous)
    change(&settings)
    return settings
  }

  @Test func makesAddresses() throws {
    func address(_ settings: S3Settings) throws -> String {
      let address = try S3Address(settings)
      return "\(address.scheme)://\(address.host)\(address.path(key: "a b/ü+"))"
    }
    #expect(
      try address(Self.settings("b") { $0.region = "eu-central-1" })
        == "https://b.s3.eu-central-1.amazonaws.com/a%20b/%C3%BC%2B")
    #expect(
      try address(Self.settings("b.c")) == "https://s3.us-east-1.amazonaws.com/b.c/a%20b/%C3%BC%2B")
    #expect(
      try address(Self.settings("b") { $0.endpoint = "http://localhost:80/" })
        == "http://localhost/b/a%20b/%C3%BC%2B")
    #expect(
      try address(
        Self.settings("b") {
          $0.endpoint = "HTTPS://h:9000"
          $0.usesPathStyle = false
        }) == "https://b.h:9000/a%20b/%C3%BC%2B")
    #expect(try S3Address(Self.settings("b")).path(key: nil) == "/")
  }

  @Test func refusesWrongSettings() {
    func code(_ settings: S3Settings) -> StorageError.Code? {
      errorCode { try S3ObjectStore(settings: settings) }
    }
    #expect(code(Self.settings("b")) == nil)
    for bucket in ["", "a/b", "a b", "..", "a?b", "ü", "a\r\nb", "a@b"] {
      #expect(code(Self.settings(bucket)) == .invalidArgument)
    }
    for endpoint in ["", "host", "ftp://h", "http://", "http://h/path", "http://u:secret@h"] {
      let error = #expect(throws: StorageError.self) {
        try S3ObjectStore(settings: Self.settings("b") { $0.endpoint = endpoint })
      }
      #expect(error?.code == .invalidArgument)
      #expect(error?.message.contains("secret") == false)
    }
    #expect(code(Self.settings("b") { $0.region = "a.evil.com/" }) == .invalidArgument)
    #expect(code(Self.settings("b") { $0.keyPrefix = "a" }) == .invalidArgument)
    #expect(code(Self.settings("b") { $0.partBytes = 1 }) == .invalidArgument)
  }

  static func environment(_ variables: [String: String], _ files: [String: String] = [:])
    -> S3Environment
  {
    S3Environment(variable: { variables[$0] }, file: { files[$0] })
  }

  @Test func readsTheEnvironment() throws {
    let full = Self.environment([
      "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t",
      "AWS_DEFAULT_REGION": "r", "AWS_ENDPOINT_URL": "http://e", "AWS_REGION": "",
    ])
    #expect(
      try full.credentials() == S3Credentials(accessKey: "a", secretKey: "s", sessionToken: "t"))
    #expect(full.region == "r")
    #expect(full.endpoint == "http://e")
    #expect(
      Self.environment(["AWS_ENDPOINT_URL_S3": "x", "AWS_ENDPOINT_URL": "y"]).endpoint == "x")
  }

  @Test func readsTheFiles() throws {
    let files = [
      "/h/.aws/credentials": """
      # comment
      [default]
      aws_access_key_id = a1
      aws_secret_access_key = s=1==
      [ work ]\r
      aws_access_key_id=a2\r
      AWS_SECRET_ACCESS_KEY =  s2 \r
      aws_session_token = t2
      """,
      "/h/.aws/config": """
      [default]
      region = eu-west-1
      s3 =
        region = nested
      [profile work]
      region=us-west-2
      endpoint_url = https://work
      [profile keys]
      aws_access_key_id = a3
      aws_secret_access_key = s3
      """,
    ]
    let standard = Self.environment(["HOME": "/h"], files)
    #expect(try standard.credentials() == S3Credentials(accessKey: "a1", secretKey: "s=1=="))
    #expect(standard.region == "eu-west-1")
    #expect(standard.endpoint == nil)
    let work = Self.environment(["HOME": "/h", "AWS_PROFILE": "work"], files)
    #expect(
      try work.credentials() == S3Credentials(accessKey: "a2", secretKey: "s2", sessionToken: "t2"))
    #expect(work.region == "us-west-2")
    #expect(work.endpoint == "https://work")
    let keys = Self.environment(["HOME": "/h", "AWS_PROFILE": "keys"], files)
    #expect(try keys.credentials() == S3Credentials(accessKey: "a3", secretKey: "s3"))
    let moved = Self.environment(
      ["AWS_SHARED_CREDENTIALS_FILE": "/h/.aws/credentials"], files)
    #expect(try moved.credentials().accessKey == "a1")
    let nobody = Self.environment(["HOME": "/h", "AWS_PROFILE": "nobody"], files)
    let error = #expect(throws: StorageError.self) { try nobody.credentials() }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("/h/.aws/credentials") == true)
  }
}
