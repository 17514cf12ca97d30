"""``python -m channel``"""

from __future__ import annotations

from sdjscc.serving.signals import end_on_sigterm

end_on_sigterm()

from channel.app import main  # noqa: E402

main()
