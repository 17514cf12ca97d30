"""``python -m transmitter``"""

from __future__ import annotations

from sdjscc.serving.signals import end_on_sigterm

end_on_sigterm()

from transmitter.app import main  # noqa: E402

main()
