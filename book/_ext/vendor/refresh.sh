#!/bin/sh
# Fetch KaTeX anew, at the version given (the one in use stands in book/_static/katex/VERSION):
#     sh book/_ext/vendor/refresh.sh 0.19.1
# Needs npm, which the book itself never does. Only woff2 fonts are kept: every browser of the last ten years reads them.
set -eu
version=$1
ext=$(cd "$(dirname "$0")" && pwd)
static=$ext/../../_static/katex
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm pack --silent "katex@$version"
tar xzf "katex-$version.tgz"
mkdir -p "$static/fonts"
cp package/dist/katex.min.js "$ext/"
cp package/LICENSE "$static/"
cp package/dist/fonts/*.woff2 "$static/fonts/"
sed -E 's/,url\([^)]*\.(woff|ttf)\) format\("[a-z]+"\)//g' package/dist/katex.min.css > "$static/katex.min.css"
echo "$version" > "$static/VERSION"
