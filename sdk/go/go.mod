// Nothing is required but the standard library, so building it needs no network. 1.19 is Debian 12's.
module gateless.dev/sdk-go

go 1.19
