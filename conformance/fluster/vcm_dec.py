"""vcm_dec as a decoder of fluster's, https://github.com/fluendo/fluster: copy this file into its fluster/decoders.

`vcm_conformance fluster` writes the suite for it. Fluster has no codec of ours; both say "None".
"""

import os
import shutil
import tempfile
from subprocess import CalledProcessError
from typing import Any

from fluster.codec import Codec, OutputFormat
from fluster.decoder import Decoder, NotSupportedError, register_decoder
from fluster.utils import file_checksum, run_command

UNSUPPORTED = 11  # docs/conformance.md, "A decoder's contract"


@register_decoder
class VcmDec(Decoder):
    """The reference decoder of vcm_ref. What is compared is tier T1, the integer tensors."""

    name = "vcm_dec"
    description = "vcm_ref reference decoder"
    codec = Codec.NONE
    binary = "vcm_dec"

    def decode(
        self,
        input_filepath: str,
        output_filepath: str,
        output_format: OutputFormat,
        timeout: int,
        verbose: bool,
        keep_files: bool,
        optional_params: dict[str, Any] | None = None,
    ) -> str:
        """MD5 of the integer tensors of all pictures, which are left in output_filepath."""
        with tempfile.TemporaryDirectory() as work:
            folder = os.path.join(work, "output")
            command = [self.binary, input_filepath, "--tier", "all", "-o", folder, "--quiet"]
            try:
                run_command(command, timeout=timeout, verbose=verbose)
            except CalledProcessError as error:
                if error.returncode == UNSUPPORTED:
                    raise NotSupportedError from error
                raise
            shutil.move(os.path.join(folder, "t1.raw"), output_filepath)
        return file_checksum(output_filepath)
